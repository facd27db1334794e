-- A job_submit.lua of the kind that sites have: it runs under slurmctld and under Flux.
--
--   [job-submit]
--   plugins = ["lua"]
--   [job-submit.lua]
--   script = "/etc/site/job_submit.lua"

local DEFAULT_MINUTES = 60
local SHORT_MINUTES = 30
local MAX_INTERACTIVE_MINUTES = 8 * 60
local MEMORY_PER_CPU = 4000 -- MiB

local function is_set(value)
  return value ~= nil and value ~= "" and value ~= slurm.NO_VAL and value ~= slurm.NO_VAL16
end

local function has_partition(part_list, name)
  return part_list[name] ~= nil
end

-- How many GPUs a job asks for, in whichever words.
local function gpus(job_desc)
  for _, text in ipairs({job_desc.tres_per_node or "", job_desc.tres_per_job or "",
      job_desc.tres_per_task or "", job_desc.gres or ""}) do
    local count = string.match(text, "gpu:(%d+)")
    if count ~= nil then return tonumber(count) end
  end
  return 0
end

local function choose_partition(job_desc, part_list)
  if is_set(job_desc.partition) then return end
  local choice = "batch"
  if gpus(job_desc) > 0 then
    choice = "gpu"
  elseif job_desc.time_limit <= SHORT_MINUTES then
    choice = "short"
  end
  if has_partition(part_list, choice) then
    job_desc.partition = choice
    slurm.log_info("%s goes to %s", job_desc.name or "a job", choice)
  end
end

local function members(group)
  local names = {}
  local pipe = io.popen("getent group " .. group)
  local line = pipe:read("*l")
  pipe:close()
  for name in string.gmatch(string.match(line or "", "[^:]*$"), "[^,]+") do names[name] = true end
  return names
end

function slurm_job_submit(job_desc, part_list, submit_uid)
  if not is_set(job_desc.account) then
    slurm.log_user("Jobs need an account: set one, such as project1.")
    return slurm.ESLURM_INVALID_ACCOUNT
  end
  if not is_set(job_desc.time_limit) then
    job_desc.time_limit = DEFAULT_MINUTES
    slurm.log_user("No time limit: it is %d minutes.", DEFAULT_MINUTES)
  end
  local interactive = job_desc.script == nil or job_desc.script == ""
  if interactive and job_desc.time_limit > MAX_INTERACTIVE_MINUTES then
    slurm.log_user("Jobs without a script may take %d minutes at most.", MAX_INTERACTIVE_MINUTES)
    return slurm.ESLURM_INVALID_TIME_LIMIT
  end
  if job_desc.min_mem_per_cpu ~= nil and job_desc.min_mem_per_cpu > MEMORY_PER_CPU then
    slurm.log_user("There are %d MiB for a CPU, not %d.", MEMORY_PER_CPU, job_desc.min_mem_per_cpu)
    return slurm.ESLURM_INVALID_TASK_MEMORY
  end
  if job_desc.qos == "staff" and not members("staff")[job_desc.user_name] then
    slurm.log_user("The QOS staff is for the group staff.")
    return slurm.ESLURM_INVALID_QOS
  end
  choose_partition(job_desc, part_list)
  return slurm.SUCCESS
end

function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
  if is_set(job_desc.time_limit) and modify_uid ~= 0
      and job_desc.time_limit > job_rec.time_limit then
    slurm.log_info("user %u may not give job %u more time", modify_uid, job_rec.job_id)
    return slurm.ESLURM_ACCESS_DENIED
  end
  return slurm.SUCCESS
end

slurm.log_info("initialized")
return slurm.SUCCESS
