"""The Lua side of the host: the table ``slurm``, and what stands for jobs and partitions, made from
the functions of `broker.slurm.job_submit.lua_script`.

Names, arguments and the texts of errors are those that scripts see under slurmctld: fields by way
of metatables, nothing for ``pairs`` to find in a job, formats by `string.format` in a chunk of its
own.
"""

from __future__ import annotations

from typing import Final

PRELUDE: Final = r"""
local py, constants, cluster = ...
python = nil
local sethook, xpcall_, error_, type_, tostring_ = debug.sethook, pcall, error, type, tostring
local load_, setmetatable_ = loadstring or load, setmetatable

slurm = {}
for name, value in pairs(constants) do slurm[name] = value end
slurm.CLUSTER_NAME = cluster
slurm.reservations = {}
setmetatable_(slurm, {__index = function (t, name)
  if name ~= "jobs" then return nil end
  local found = {}
  for i = 1, py.job_count() do
    local job = py.job_at(i)
    found[py.get(job, "job_id_text")] = setmetatable_({}, {_job_rec_ptr = job,
      __index = function (_, field) return py.get(job, field) end})
  end
  rawset(t, "jobs", found)
  return found
end})

local function last(...)
  local n = select("#", ...)
  return (select(n, ...)), n > 1 and (select(n - 1, ...)) or nil
end
function slurm.log(...)
  local text, level = last(...)
  py.log(tonumber(level) or 0, tostring_(text))
end
function slurm.error(...) py.log(-1, tostring_((last(...)))) end
function slurm.user_msg(...) py.tell(tostring_((last(...)))) end
function slurm.time_str2mins(text) return py.minutes(tostring_(text)) end

local unpack_ = unpack and "unpack" or "table.unpack"
local function formats(call)
  return load_((call:gsub("UNPACK", unpack_)))
end
slurm.log_error = formats("slurm.error (string.format(UNPACK({...})))")
slurm.log_info = formats("slurm.log (0, string.format(UNPACK({...})))")
slurm.log_verbose = formats("slurm.log (1, string.format(UNPACK({...})))")
slurm.log_debug = formats("slurm.log (2, string.format(UNPACK({...})))")
slurm.log_debug2 = formats("slurm.log (3, string.format(UNPACK({...})))")
slurm.log_debug3 = formats("slurm.log (4, string.format(UNPACK({...})))")
slurm.log_debug4 = formats("slurm.log (5, string.format(UNPACK({...})))")
slurm.log_user = formats("slurm.user_msg (string.format(UNPACK({...})))")

-- In C these are functions whose third argument is the value: their errors name it so.
local function bad(text) error_("bad argument #3 to '?' (" .. text .. ")", 4) end
local function simple(value)
  local kind = type_(value)
  if value == nil or kind == "string" or kind == "number" or kind == "boolean" then
    return value, nil
  end
  return nil, kind
end
local function set(job, name, value)
  local plain, kind = simple(value)
  local wrong = py.set(job, name, plain, kind)
  if wrong then bad(wrong) end
end
local function set_variable(job, name, value)
  local kind = type_(value)
  if kind ~= "string" and kind ~= "number" then
    bad("string expected, got " .. kind)
  end
  py.set_variable(job, name, tostring_(value))
end

local function words(job)
  local n = py.get(job, "argc")
  if n == 0 then return nil end
  local found = {}
  for i = 0, n - 1 do found[i] = py.word(job, i) end
  return found
end
local function environment(job)
  return setmetatable_({}, {_job_desc = job,
    __index = function (_, name) return py.variable(job, name) end,
    __newindex = function (_, name, value) set_variable(job, name, value) end})
end
local function description(job)
  return setmetatable_({}, {_job_desc = job,
    __index = function (_, name)
      if name == "argv" then return words(job) end
      if name == "environment" then return environment(job) end
      return py.get(job, name)
    end,
    __newindex = function (_, name, value) set(job, name, value) end})
end
local function record(job)
  return setmetatable_({}, {_job_rec_ptr = job,
    __index = function (_, name)
      if name == "argv" then return words(job) end
      return py.get(job, name)
    end})
end
local function partitions()
  local found = {}
  for i = 1, py.part_count() do
    local part = py.part_at(i)
    found[py.part(part, "name")] = setmetatable_({}, {_part_rec_ptr = part,
      __index = function (_, field) return py.part(part, field) end})
  end
  return found
end

-- What scripts for old versions call by themselves.
function _get_job_req_field_name(job, name)
  if type_(job) ~= "userdata" then
    py.log(-2, "_get_job_req_field: job_desc is NULL")
    return nil
  end
  if name == "argv" then return words(job) end
  if name == "environment" then return environment(job) end
  return py.get(job, name)
end
function _get_job_env_field_name(job, name)
  if type_(job) == "userdata" then return py.variable(job, name) end
end
function _set_job_req_field(job, name, value)
  if type_(job) == "userdata" then set(job, name, value) end
end
function _set_job_env_field(job, name, value)
  if type_(job) == "userdata" then set_variable(job, name, value) end
end
function _get_part_rec_field(part, name)
  if type_(part) == "userdata" then return py.part(part, name) end
end

-- A script that catches the error of the limit meets it again at once.
local getinfo = debug.getinfo
local function run(limit, f, ...)
  local spent, self = false, getinfo(1, "f").func
  local function stop()
    if getinfo(2, "f").func == self then return end  -- back here, all is over
    spent = true
    sethook(stop, "", 1)
    error_("instruction limit", 0)
  end
  sethook(stop, "", limit)
  local ok, result = xpcall_(f, ...)
  sethook()
  return ok, result, spent
end

local function loading(limit, code, name)
  local f, text = load_(code, name)
  if not f then return false, text, false end
  return run(limit, f)
end
local function named(...)
  for _, name in ipairs({...}) do
    if type_(_G[name]) == "function" then return _G[name] end
  end
end
local function has(...) return named(...) ~= nil end
local function submit(limit, job, user)
  rawset(slurm, "jobs", nil)
  local f = named("slurm_job_submit", "job_submit")
  local function call() return f(description(job), partitions(), user) end
  return run(limit, call)
end
local function modify(limit, job, known, user)
  rawset(slurm, "jobs", nil)
  local f = named("slurm_job_modify", "job_modify")
  local function call() return f(description(job), record(known), partitions(), user) end
  return run(limit, call)
end
return loading, has, submit, modify
"""
