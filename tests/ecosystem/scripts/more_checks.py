"""Checks of ReFrame with parameters, dependencies, figures, options; some fail."""

import reframe as rfm
import reframe.utility.sanity as sn
from checks import site_configuration  # noqa: F401 - ReFrame reads it here


class Plain(rfm.RunOnlyRegressionTest):
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    executable = "sh"
    time_limit = "5m"

    @sanity_function  # noqa: F821 - ReFrame's own word inside of its classes
    def ended(self):
        return sn.assert_eq(self.job.exitcode or 0, 0)


@rfm.simple_test
class Each(Plain):
    word = parameter(["ann", "bob", "cid"])  # noqa: F821 - the same
    executable = "echo"

    @run_before("run")  # noqa: F821 - the same
    def say(self):
        self.executable_opts = [self.word]

    @sanity_function  # noqa: F821 - the same
    def said(self):
        return sn.assert_found(self.word, self.stdout)


@rfm.simple_test
class First(Plain):
    executable_opts = ["-c", "'echo made >made'"]
    keep_files = ["made"]


@rfm.simple_test
class Second(Plain):
    executable = "cat"

    @run_after("init")  # noqa: F821 - the same
    def depend(self):
        self.depends_on("First")

    @require_deps  # noqa: F821 - the same
    def read(self, First):  # noqa: N803 - the name of the check that it depends on
        self.executable_opts = [f"{First().stagedir}/made"]

    @sanity_function  # noqa: F821 - the same
    def said(self):
        return sn.assert_found("made", self.stdout)


@rfm.simple_test
class Cores(Plain):
    num_cpus_per_task = 2
    executable = "flux"
    executable_opts = ["jobs", "-no", "'cores={ncores}'", "$FLUX_JOB_ID"]

    @sanity_function  # noqa: F821 - the same
    def had(self):
        return sn.assert_found("cores=2", self.stdout)


@rfm.simple_test
class Fast(Plain):
    executable_opts = ["-c", "'echo took 7 seconds'"]

    @sanity_function  # noqa: F821 - the same
    def said(self):
        return sn.assert_found("took", self.stdout)

    @performance_function("s")  # noqa: F821 - the same
    def took(self):
        return sn.extractsingle(r"took (\d+)", self.stdout, 1, float)


@rfm.simple_test
class Wrong(Plain):
    executable_opts = ["-c", "'echo said; exit 3'"]

    @sanity_function  # noqa: F821 - the same
    def ended(self):
        return sn.assert_found("something else", self.stdout)


@rfm.simple_test
class AfterWrong(Plain):
    executable_opts = ["-c", "true"]

    @run_after("init")  # noqa: F821 - the same
    def depend(self):
        self.depends_on("Wrong")
