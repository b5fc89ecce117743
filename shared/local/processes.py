"""The processes of the system: what each is called, which module it runs, and what it may see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.database_setup import SERVICES


@dataclass(frozen=True, slots=True)
class Program:
    """One kind of process.

    `databases` are the services whose database URL it gets; the administrator's URL reaches none. `stop_order` says when it is stopped:
    1 first. `peer` is the name of its key when that is not the service's. `count_setting` names the setting for how many of it run.
    """

    name: str
    module: str
    databases: tuple[str, ...]
    stop_order: int
    peer: str = ""
    count_setting: str = ""


PROGRAMS = (
    Program("vendor_credit", "services.vendor_credit", ("vendor_credit",), 3, count_setting="CHARGING_VENDOR_CREDIT_PROCESSES"),
    Program(
        "vendor_credit.worker",
        "services.vendor_credit.worker",
        ("vendor_credit",),
        2,
        count_setting="CHARGING_VENDOR_CREDIT_WORKER_PROCESSES",
    ),
    Program("customer_charge", "services.customer_charge", ("customer_charge",), 2, count_setting="CHARGING_CUSTOMER_CHARGE_PROCESSES"),
    Program(
        "customer_charge.worker",
        "services.customer_charge.worker",
        ("customer_charge",),
        2,
        count_setting="CHARGING_CUSTOMER_CHARGE_WORKER_PROCESSES",
    ),
    Program("gateway", "services.gateway", ("gateway",), 1, count_setting="CHARGING_GATEWAY_PROCESSES"),
    Program("scheduler", "services.scheduler", SERVICES, 1, peer="scheduler"),
)
"""Stopped from the door inwards: first nobody new comes in, then what is under way ends, and last the service that others call."""

COUNT_SETTING = "CHARGING_PROCESSES"
"""How many run of each program that has no count of its own; the scheduler is always one."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One process to run: the program, and `name`, which is the program's with `-2`, `-3`, ... from the second on."""

    name: str
    program: Program


def instances_of(programs: Sequence[Program], counts: Mapping[str, int]) -> list[Instance]:
    """Return every process to run. `counts` maps count settings to numbers; COUNT_SETTING is the default of the others."""
    default = counts.get(COUNT_SETTING, 1)
    found = []
    for program in programs:
        count = counts.get(program.count_setting, default) if program.count_setting else 1
        found += [Instance(program.name if number == 1 else f"{program.name}-{number}", program) for number in range(1, count + 1)]
    return found
