"""What another team does with the wheel, run by an interpreter that has nothing of ours but the wheel; prints what it found as JSON.

Arguments: address of a service.
"""

import importlib
import json
import pkgutil
import sys
from importlib import metadata

import charging
from charging.client import connect
from charging.customer_charge.v1.customer_charge_pb2 import IncreaseCreditRequest
from charging.customer_charge.v1.customer_charge_pb2_grpc import ChargeServiceStub

modules = [module.name for module in pkgutil.walk_packages(charging.__path__, "charging.")]
for name in modules:
    importlib.import_module(name)
with connect(sys.argv[1], token="secret") as channel:
    answer = ChargeServiceStub(channel).IncreaseCredit(IncreaseCreditRequest(vendor_id=1, customer_id=2, amount=100))
print(
    json.dumps(
        {
            "home": charging.__file__,
            "modules": modules,
            "files": [str(file) for file in metadata.files("charging-stubs") or ()],
            "requires": metadata.requires("charging-stubs"),
            "status": answer.status,
            "ours": sorted(name for name in sys.modules if name.split(".")[0] in {"shared", "services"}),
        }
    )
)
