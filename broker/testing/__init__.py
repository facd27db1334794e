"""Running a service without a broker."""

from broker.testing.harness import ServiceHarness as ServiceHarness
