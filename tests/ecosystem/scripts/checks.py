"""Two checks of ReFrame and the site that they run at."""

import reframe as rfm
import reframe.utility.sanity as sn

site_configuration = {
    "systems": [
        {
            "name": "here",
            "descr": "the instance of the suite",
            "hostnames": [".*"],
            "partitions": [
                {
                    "name": "instance",
                    "scheduler": "flux",
                    "launcher": "local",
                    "environs": ["plain"],
                    "max_jobs": 4,
                }
            ],
        }
    ],
    "environments": [{"name": "plain", "cc": "true", "cxx": "true", "ftn": "true"}],
}


@rfm.simple_test
class Hello(rfm.RunOnlyRegressionTest):
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    executable = "echo"
    executable_opts = ["hello"]
    time_limit = "5m"

    @sanity_function  # noqa: F821 - ReFrame's own word inside of its classes
    def said(self):
        return sn.assert_found("hello", self.stdout)


@rfm.simple_test
class InAJob(rfm.RunOnlyRegressionTest):
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    executable = "sh"
    executable_opts = ["-c", "'echo job $FLUX_JOB_ID'"]

    @sanity_function  # noqa: F821 - the same
    def named(self):
        return sn.assert_found(r"job \S+", self.stdout)
