-- Logs every field of job_desc, acts by the name of the job, and logs them again.

local FIELDS = { FIELD_NAMES }

local function show(when, job_desc)
  for _, field in ipairs(FIELDS) do
    local value = job_desc[field]
    if type(value) ~= "table" then
      slurm.log_info("FIELD %s %s %s %s", when, field, type(value), tostring(value))
    end
  end
end

local ACTIONS = {
  refuse = function(job_desc)
    slurm.log_user("refused: %s", job_desc.name)
    slurm.log_user("ask %s", "the desk")
    return slurm.ESLURM_ACCESS_DENIED
  end,
  error = function() error("boom") end,
  nothing = function() return nil end,
  text = function() return "2051" end,
  unknown = function() return 9999 end,
  negative = function() return slurm.ERROR end,
  tell = function()
    slurm.log_user("one %d%%", 7)
    slurm.log_user("two\nthree")
    return slurm.SUCCESS
  end,
  set = function(job_desc)
    job_desc.account = "acct"
    job_desc.comment = 5
    job_desc.time_limit = "7"
    job_desc.nice = slurm.NICE_OFFSET + 3
    job_desc.min_mem_per_cpu = 30
    job_desc.admin_comment = "seen"
    job_desc.wckey = ""
    job_desc.mail_type = slurm.MAIL_JOB_END
    job_desc.requeue = -3
    job_desc.environment.SEEN = "yes"
    slurm.log_info("environment %s %s", job_desc.environment.SEEN,
      tostring(job_desc.environment.NO_SUCH))
    return slurm.SUCCESS
  end,
  wrong = function(job_desc)
    for _, value in ipairs({"txt", {}, true, print}) do
      local ok, text = pcall(function() job_desc.time_limit = value end)
      slurm.log_info("%s %s", tostring(ok), tostring(text):gsub("^.-: ", ""))
    end
    local ok, text = pcall(function() job_desc.account = nil end)
    slurm.log_info("%s %s", tostring(ok), tostring(text):gsub("^.-: ", ""))
    return slurm.SUCCESS
  end,
  numbers = function(job_desc)
    for _, value in ipairs({2.7, -3, 1e12, "0x10"}) do
      job_desc.time_min = value
      job_desc.ntasks_per_socket = value
      slurm.log_info("%s: %s %s", tostring(value), tostring(job_desc.time_min),
        tostring(job_desc.ntasks_per_socket))
    end
    job_desc.time_min = slurm.NO_VAL
    job_desc.ntasks_per_socket = slurm.NO_VAL16
    for _, text in ipairs({"1-02:30:00", "90", "1:30", "bad", "UNLIMITED"}) do
      slurm.log_info("%s %s", text, tostring(slurm.time_str2mins(text)))
    end
    return slurm.SUCCESS
  end,
  logs = function()
    slurm.log_info("%d %s %q", 2.5, "x", "y")
    slurm.log_error("worse")
    slurm.log(0, "plain")
    slurm.log_info("no value %s")
    return slurm.SUCCESS
  end,
  partitions = function(_, part_list)
    local names = {}
    for name in pairs(part_list) do table.insert(names, name) end
    table.sort(names)
    for _, name in ipairs(names) do
      local part = part_list[name]
      for _, field in ipairs({"name", "flag_default", "max_time", "default_time", "max_nodes",
          "min_nodes", "state_up", "allow_qos", "allow_accounts", "max_mem_per_node",
          "total_nodes", "nodes", "nonsense"}) do
        slurm.log_info("PART %s %s %s", name, field, tostring(part[field]))
      end
    end
    return slurm.SUCCESS
  end,
}

function slurm_job_submit(job_desc, part_list, submit_uid)
  slurm.log_info("submitted by %u", submit_uid)
  show("before", job_desc)
  local action = ACTIONS[job_desc.name]
  if action == nil then return slurm.SUCCESS end
  local code = action(job_desc, part_list)
  show("after", job_desc)
  return code
end

function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
  slurm.log_info("modified by %u", modify_uid)
  slurm.log_info("time_limit %s to %s", tostring(job_rec.time_limit),
    tostring(job_desc.time_limit))
  slurm.log_info("name %s to %s", tostring(job_rec.name), tostring(job_desc.name))
  if job_desc.time_limit == 99 then return slurm.ESLURM_INVALID_TIME_LIMIT end
  if job_desc.time_limit == 50 then job_desc.time_limit = 51 end
  return slurm.SUCCESS
end

return slurm.SUCCESS
