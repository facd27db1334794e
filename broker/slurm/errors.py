"""Slurm's error numbers, the names that scripts know them by and the sentences that users read
(slurm_errno(3), as version 22.05 says them).
"""

from __future__ import annotations

import os
from typing import Final

_TABLE: Final = """
1000 - Unexpected message received
1001 - Communication connection failure
1002 - Message send failure
1003 - Message receive failure
1004 - Communication shutdown failure
1005 - Incompatible versions of client and server code
1006 - I/O stream version number error
1007 - Protocol authentication error
1008 - Insane message length
1009 - Invalid MPI plugin name
1010 - MPI plugin's pre-launch setup failed
1011 - Plugin initialization failed
1012 - Can't find an address, check slurm.conf
1013 - Unexpected missing socket error
1800 - Unable to contact slurm controller (connect failure)
1801 - Unable to contact slurm controller (send failure)
1802 - Unable to contact slurm controller (receive failure)
1803 - Unable to contact slurm controller (shutdown failure)
1900 - Data has not changed since time specified
2000 ESLURM_INVALID_PARTITION_NAME Invalid partition name specified
2001 ESLURM_DEFAULT_PARTITION_NOT_SET No partition specified or system default partition
2002 ESLURM_ACCESS_DENIED Access/permission denied
2003 ESLURM_JOB_MISSING_REQUIRED_PARTITION_GROUP User's group not permitted to use this partition
2004 ESLURM_REQUESTED_NODES_NOT_IN_PARTITION Requested nodes not in this partition
2005 ESLURM_TOO_MANY_REQUESTED_CPUS More processors requested than permitted
2006 ESLURM_INVALID_NODE_COUNT Node count specification invalid
2007 ESLURM_ERROR_ON_DESC_TO_RECORD_COPY Unable to create job record, try again
2008 ESLURM_JOB_MISSING_SIZE_SPECIFICATION Job size specification needs to be provided
2009 ESLURM_JOB_SCRIPT_MISSING Job script not specified
2010 ESLURM_USER_ID_MISSING Invalid user id
2011 ESLURM_DUPLICATE_JOB_ID Duplicate job id
2012 ESLURM_PATHNAME_TOO_LONG Pathname of a file, directory or other parameter too long
2013 ESLURM_NOT_TOP_PRIORITY Immediate execution impossible, insufficient priority
2014 ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE Requested node configuration is not available
2015 ESLURM_REQUESTED_PART_CONFIG_UNAVAILABLE Requested partition configuration not available now
2016 ESLURM_NODES_BUSY Requested nodes are busy
2017 ESLURM_INVALID_JOB_ID Invalid job id specified
2018 ESLURM_INVALID_NODE_NAME Invalid node name specified
2019 ESLURM_WRITING_TO_FILE I/O error writing script/environment to file
2020 ESLURM_TRANSITION_STATE_NO_UPDATE Job can not be altered now, try again later
2021 ESLURM_ALREADY_DONE Job/step already completing or completed
2022 ESLURM_INTERCONNECT_FAILURE Error configuring interconnect
2023 ESLURM_BAD_DIST Task distribution specification invalid
2024 ESLURM_JOB_PENDING Job is pending execution
2025 ESLURM_BAD_TASK_COUNT Task count specification invalid
2026 ESLURM_INVALID_JOB_CREDENTIAL Error generating job credential
2027 ESLURM_IN_STANDBY_MODE Slurm backup controller in standby mode
2028 ESLURM_INVALID_NODE_STATE Invalid node state specified
2029 ESLURM_INVALID_FEATURE Invalid feature specification
2030 ESLURM_INVALID_AUTHTYPE_CHANGE AuthType change requires restart of all Slurm daemons and \
commands to take effect
2031 ESLURM_ACTIVE_FEATURE_NOT_SUBSET Active features not subset of available features
2032 ESLURM_INVALID_SCHEDTYPE_CHANGE SchedulerType change requires restart of the slurmctld \
daemon to take effect
2033 ESLURM_INVALID_SELECTTYPE_CHANGE SelectType change requires restart of the slurmctld \
daemon to take effect
2034 ESLURM_INVALID_SWITCHTYPE_CHANGE SwitchType change requires restart of all Slurm daemons \
and jobs to take effect
2035 ESLURM_FRAGMENTATION Immediate execution impossible, resources too fragmented for allocation
2036 ESLURM_NOT_SUPPORTED Requested operation not supported on this system
2037 ESLURM_DISABLED Requested operation is presently disabled
2038 ESLURM_DEPENDENCY Job dependency problem
2039 ESLURM_BATCH_ONLY Only batch jobs are accepted or processed
2040 ESLURM_TASKDIST_ARBITRARY_UNSUPPORTED Current SwitchType does not permit arbitrary task \
distribution
2041 ESLURM_TASKDIST_REQUIRES_OVERCOMMIT Requested more tasks than available processors
2042 ESLURM_JOB_HELD Job is in held state, pending scheduler release
2043 ESLURM_INVALID_CRED_TYPE_CHANGE CredType change requires restart of all Slurm daemons to \
take effect
2044 ESLURM_INVALID_TASK_MEMORY Memory required by task is not available
2045 ESLURM_INVALID_ACCOUNT Invalid account or account/partition combination specified
2046 ESLURM_INVALID_PARENT_ACCOUNT Invalid parent account specified
2047 ESLURM_SAME_PARENT_ACCOUNT Account already child of parent account specified
2048 ESLURM_INVALID_LICENSES Invalid license specification
2049 ESLURM_NEED_RESTART The node configuration changes that were made require restart of the \
slurmctld daemon to take effect
2050 ESLURM_ACCOUNTING_POLICY Job violates accounting/QOS policy (job submit limit, user's \
size and/or time limits)
2051 ESLURM_INVALID_TIME_LIMIT Requested time limit is invalid (missing or exceeds some limit)
2052 ESLURM_RESERVATION_ACCESS Access denied to requested reservation
2053 ESLURM_RESERVATION_INVALID Requested reservation is invalid
2054 ESLURM_INVALID_TIME_VALUE Invalid time specified
2055 ESLURM_RESERVATION_BUSY Requested reservation is in use
2056 ESLURM_RESERVATION_NOT_USABLE Requested reservation not usable now
2057 ESLURM_INVALID_WCKEY Invalid wckey specification
2058 ESLURM_RESERVATION_OVERLAP Requested reservation overlaps with another reservation
2059 ESLURM_PORTS_BUSY Required ports are in use
2060 ESLURM_PORTS_INVALID Requires more ports than can be reserved
2061 ESLURM_PROLOG_RUNNING PrologSlurmctld is still running
2062 ESLURM_NO_STEPS Job steps can not be run on this cluster
2063 ESLURM_INVALID_BLOCK_STATE Invalid block state specified
2064 ESLURM_INVALID_BLOCK_LAYOUT Functionality not available with current block layout mode
2065 ESLURM_INVALID_BLOCK_NAME Invalid block name specified
2066 ESLURM_INVALID_QOS Invalid qos specification
2067 ESLURM_QOS_PREEMPTION_LOOP QOS Preemption loop detected
2068 ESLURM_NODE_NOT_AVAIL Required node not available (down, drained or reserved)
2069 ESLURM_INVALID_CPU_COUNT CPU count specification invalid
2070 ESLURM_PARTITION_NOT_AVAIL Required partition not available (inactive or drain)
2071 ESLURM_CIRCULAR_DEPENDENCY Circular job dependency
2072 ESLURM_INVALID_GRES Invalid generic resource (gres) specification
2073 ESLURM_JOB_NOT_PENDING Job is no longer pending execution
2074 ESLURM_QOS_THRES Requested account has breached requested QOS usage threshold
2075 ESLURM_PARTITION_IN_USE Partition is in use
2076 ESLURM_STEP_LIMIT Step limit reached for this job
2077 ESLURM_JOB_SUSPENDED Job is current suspended, requested operation disabled
2078 ESLURM_CAN_NOT_START_IMMEDIATELY Job can not start immediately
2079 ESLURM_INTERCONNECT_BUSY Switch resources currently not available
2080 ESLURM_RESERVATION_EMPTY Reservation request lacks users, groups or accounts
2081 ESLURM_INVALID_ARRAY Invalid job array specification
2082 ESLURM_RESERVATION_NAME_DUP Duplicate reservation name
2083 ESLURM_JOB_STARTED Job has already started
2084 ESLURM_JOB_FINISHED Job has already finished
2085 ESLURM_JOB_NOT_RUNNING Job is not running
2086 ESLURM_JOB_NOT_PENDING_NOR_RUNNING Job is not pending nor running
2087 ESLURM_JOB_NOT_SUSPENDED Job is not suspended
2088 ESLURM_JOB_NOT_FINISHED Job is not finished
2089 ESLURM_TRIGGER_DUP Duplicate event trigger
2090 ESLURM_INTERNAL Slurm internal error, contact system administrator
2091 ESLURM_INVALID_BURST_BUFFER_CHANGE BurstBufferType change requires restart of slurmctld \
daemon to take effect
2092 ESLURM_BURST_BUFFER_PERMISSION Burst Buffer permission denied
2093 ESLURM_BURST_BUFFER_LIMIT Burst Buffer resource limit exceeded
2094 ESLURM_INVALID_BURST_BUFFER_REQUEST Burst Buffer request invalid
2095 ESLURM_PRIO_RESET_FAIL Changes to job priority are not persistent, change nice instead
2096 ESLURM_CANNOT_MODIFY_CRON_JOB Cannot modify scrontab jobs through scontrol
2099 ESLURM_INVALID_MCS_LABEL Invalid mcs_label specified
2100 ESLURM_BURST_BUFFER_WAIT Waiting for burst buffer
2101 ESLURM_PARTITION_DOWN Partition in DOWN state
2102 ESLURM_DUPLICATE_GRES Duplicate generic resource (gres) specification
2103 ESLURM_JOB_SETTING_DB_INX Job update not available right now, the DB index is being set, \
try again in a bit
2104 ESLURM_RSV_ALREADY_STARTED Reservation already started
2105 ESLURM_SUBMISSIONS_DISABLED System submissions disabled
2106 ESLURM_NOT_HET_JOB Job not heterogeneous job
2107 ESLURM_NOT_HET_JOB_LEADER Job not heterogeneous job leader
2108 ESLURM_NOT_WHOLE_HET_JOB Operation not permitted on individual component of heterogeneous job
2109 ESLURM_CORE_RESERVATION_UPDATE Core-based reservation can not be updated
2110 ESLURM_DUPLICATE_STEP_ID Duplicate job step id
2111 ESLURM_INVALID_CORE_CNT Core count for reservation node list is not consistent!
2112 ESLURM_X11_NOT_AVAIL X11 forwarding not available
2113 ESLURM_GROUP_ID_MISSING Invalid group id
2114 ESLURM_BATCH_CONSTRAINT Job --batch option is invalid or not a subset of --constraints
2115 ESLURM_INVALID_TRES Invalid Trackable RESource (TRES) specification
2116 ESLURM_INVALID_TRES_BILLING_WEIGHTS Invalid TRESBillingWeights specification
2117 ESLURM_INVALID_JOB_DEFAULTS Invalid JobDefaults specification
2118 ESLURM_RESERVATION_MAINT Job can not start due to maintenance reservation.
2119 ESLURM_INVALID_GRES_TYPE Invalid GRES specification (with and without type identification)
2120 ESLURM_REBOOT_IN_PROGRESS Reboot already in progress
2121 ESLURM_MULTI_KNL_CONSTRAINT Multiple KNL NUMA and/or MCDRAM constraints require use of a \
heterogeneous job
2122 ESLURM_UNSUPPORTED_GRES Requested GRES option unsupported by configured SelectType plugin
2123 ESLURM_INVALID_NICE Invalid --nice value
2124 ESLURM_INVALID_TIME_MIN_LIMIT Invalid time-min specification (exceeds job's time or other \
limits)
2125 ESLURM_DEFER Immediate execution impossible. Individual job submission scheduling \
attempts deferred
2126 ESLURM_CONFIGLESS_DISABLED ConfigLess mode is disabled in slurm configuration.
2127 ESLURM_ENVIRONMENT_MISSING Environment is missing in job
2128 ESLURM_RESERVATION_NO_SKIP Reservation given is not skipable, try deleting instead
2129 ESLURM_RESERVATION_USER_GROUP Reservations can't have users and groups specified, only \
one or the other
2130 ESLURM_PARTITION_ASSOC Multiple partition job request not supported when a partition is \
set in the association
2131 ESLURM_IN_STANDBY_USE_BACKUP Controller is in standby mode, try a different controller
2132 ESLURM_BAD_THREAD_PER_CORE Cannot request more threads per core than the job allocation
2133 ESLURM_INVALID_PREFER Invalid preferred feature specification
2134 ESLURM_INSUFFICIENT_GRES Insufficient GRES available in allocation
3000 - Generic error
3001 - Bad argument
3002 - Not in task context
3003 - Environment variable exists
3004 - No such environment variable
3005 - Buffer too small
3006 - Valid only in remote context
3007 - Id/PID does not exist on this node
3008 - Lookup by PID requested, but no tasks running
3009 - Item not available from this callback
3010 - Valid only in local or allocator context
4000 - Pipe error on task spawn
4001 - Kill task failed
4003 - Invalid accounting frequency requested
4004 - Invalid job credential
4005 - User not found on host
4006 - Group ID not found on host
4007 - Job credential expired
4008 - Job credential revoked
4009 - Job credential replayed
4010 - Slurmd could not create a batch directory or file
4011 - Slurmd could not chown or chmod a batch directory
4012 - Slurmd could not create a batch script
4013 - Slurmd could not chown or chmod a batch script
4014 - Slurmd could not set up environment for batch job
4015 - Slurmd shared memory error
4016 - Slurmd could not set UID or GID
4017 - Slurmd could not set session ID
4018 - Slurmd could not spawn I/O thread
4019 - Slurmd could not fork job
4020 - Slurmd could not execve job
4021 - Slurmd could not connect IO
4022 - Job prolog failed
4023 - Job epilog failed
4024 - Session manager killed
4025 - Too many job steps on node
4026 - Job step already exists
4027 - Job step not running
4028 - Job step is suspended
4029 - Job step is not currently suspended
4030 - Unix socket name exceeded maximum length
4031 - Container runtime not configured or invalid
4032 - Unable to satisfy cpu bind request
4033 - Unable to layout tasks on given cpus
4100 - unable to change directory to work directory
4101 - could not open output file
4102 - Script terminated with non-zero exit code
5000 - Received zero length message
5001 - Received message length < 0
5002 - Failed to send entire message
5003 - Header lengths are longer than data received
5004 - Socket timed out on send/recv operation
5005 - Zero Bytes were transmitted or received
6000 - Invalid authentication credential
6001 - Failed to open authentication public key
6002 - Failed to connect to authentication agent
6004 - Bad argument to plugin function
6005 - Memory management error
6006 - Authentication credential invalid
6007 - Cannot unpack credential
6008 - Authentication does not apply to request
7000 - Unable to connect to database
7001 - Job(s) active, cancel job(s) before remove
7002 - Cluster deleted, commit/rollback immediately
7003 - Can only change one at a time
7004 - Unacceptable name given. (No '.' in name allowed)
7005 - You can not allocate more than 100% of a resource
7006 - Query result exceeds size limit
7007 - Too wide of a date range in query
7008 - Database connection reference is invalid
7009 - You can not remove the default account of a user
7100 - Too many clusters in federation
7101 - Clusters can only be assigned to one federation
7102 - Invalid cluster feature specification
7103 - Not a valid federated job
7104 - Invalid cluster name
7105 - Job locked by another sibling
7106 - No eligible clusters for federated job
8000 ESLURM_MISSING_TIME_LIMIT Time limit specification required, but not provided
8001 ESLURM_INVALID_KNL Invalid KNL configuration (MCDRAM or NUMA option)
8002 ESLURM_PLUGIN_INVALID Plugin has invalid format or unable to be loaded
8003 ESLURM_PLUGIN_INCOMPLETE Plugin missing required symbol or function
9000 - Query empty or not RFC7320 compliant
9001 - Failure during parsing
9002 - Jobs description entry not found, empty or not dictionary or list
9003 - Nothing found with query
9200 - Unable to resolve path
9201 - Data pointer is NULL
9202 - Unable to convert Data type
9203 - Unable to compile regex
9204 - MIME type is unknown to any loaded plugins
9205 - DATA too large to handle
10000 ESLURM_CONTAINER_NOT_CONFIGURED Container support is not configured
"""


def _rows() -> list[tuple[int, str, str]]:
    rows = (line.split(" ", 2) for line in _TABLE.strip().splitlines())
    return [(int(number), name, text) for number, name, text in rows]


NUMBERS: Final = {name: number for number, name, _ in _rows() if name != "-"}
"""The numbers by their names, ``ESLURM_...``."""
_TEXTS: Final = {number: text for number, _, text in _rows()}


def slurm_strerror(number: int) -> str:
    """Return the sentence for an error number of Slurm or of the system."""
    if number in _TEXTS:
        return _TEXTS[number]
    if number < 0:
        return "Unspecified error" if number == -1 else "Unknown negative error number"
    try:
        return os.strerror(number)
    except OverflowError:
        return f"Unknown error {number}"
