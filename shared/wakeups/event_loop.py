"""The event loop of async actors."""

import uvloop
from dramatiq import Broker, Worker
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO


class UvloopAsyncIO(AsyncIO):
    """Runs async actors on a uvloop, as the servers run, in dramatiq's own thread."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the loop before the first actor needs it."""
        thread = EventLoopThread(self.logger)
        thread.loop.close()
        thread.loop = uvloop.new_event_loop()
        thread.start(timeout=1.0)
        set_event_loop_thread(thread)
