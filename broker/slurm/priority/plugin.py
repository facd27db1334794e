"""The built-in plugin ``.priority-multifactor``: a job's priority has several factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.slurm.priority.candidates import ATTRIBUTES
from broker.slurm.priority.driver import Multifactor
from broker.slurm.priority.listing import PriorityListing
from flux.job.updates import SYSTEM

if TYPE_CHECKING:
    from broker.jobtap.plugin import JobtapPlugin

SERVICE = "priority-multifactor"


def flux_plugin_init(plugin: JobtapPlugin) -> None:
    """Begin."""
    driver = Multifactor(plugin)
    listing = PriorityListing(driver)
    plugin.set_name(SERVICE)
    for topic, handler in (
        ("job.validate", driver.validate),
        ("job.new", driver.new),
        ("job.state.priority", driver.rate),
        ("job.priority.get", driver.rate),
        *((f"job.update.{SYSTEM}{name}", driver.may_update) for name in ATTRIBUTES),
        ("job.update", driver.updated),
        ("job.state.run", driver.begins),
        ("job.state.inactive", driver.ends),
        ("job.destroy", driver.ends),
    ):
        plugin.add_handler(topic, handler)
    plugin.service_register("list", listing.stream)
    plugin.service_register("weights", listing.weights)
    plugin.service_register("stats", listing.stats)
    plugin.on_configured = driver.configured
    plugin.on_end = driver.keep_usage
    plugin.on_stop = driver.stop
    driver.start()
