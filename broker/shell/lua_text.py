"""The Lua side of the shell's initrc: what makes its tables from the functions of a bridge."""

from __future__ import annotations

from typing import Final

PRELUDE: Final = r"""
local py = ...
local function where()
  for level = 3, 8 do
    local i = debug.getinfo(level, "Sl")
    if i and i.currentline and i.currentline > 0 then return i.short_src, i.currentline end
  end
  return "initrc.lua", 0
end
local function words(...)
  if select("#", ...) > 1 then return string.format(...) end
  return tostring((...))
end
local function logger(level)
  return function (...) local f, l = where(); py.log(level, words(...), f, l) end
end
-- The manual adds to plugin.searchpath with a plus sign, which is no operator of text in Lua.
getmetatable("").__add = function (a, b) return a .. b end
shell = { log = logger(5), debug = logger(6), log_error = logger(3),
  die = function (...) local f, l = where(); py.die(words(...)) end,
  getenv = py.getenv, setenv = py.setenv, unsetenv = py.unsetenv, get_rankinfo = py.rankinfo,
  prepend_path = py.prepend_path, source_rcpath = py.source_rcpath,
  source_rcpath_option = py.source_rcpath_option,
  getopt_with_version = py.getopt_with_version,
  env_strip = function (...)
    for _, pattern in ipairs({...}) do
      for name in pairs(py.getenv()) do
        if string.find(name, pattern) then py.unsetenv(name) end
      end
    end
  end }
shell.options = setmetatable({}, { __index = function (_, k) return py.getopt(k) end,
  __newindex = function (_, k, v) py.setopt(k, v) end })
setmetatable(shell, { __index = function (_, k)
  if k == "info" then return py.info() elseif k == "rankinfo" then return py.rankinfo()
  elseif k == "rcpath" then return py.getrcpath() end end })
plugin = setmetatable({ load = function (t) if type(t) == "string" then t = { file = t } end
    py.load(t.file, t.conf) end,
  register = function (t)
    if type(t.handlers) ~= "table" then error("plugin.register: no handlers", 2) end
    py.push(t.name or "")
    for _, h in ipairs(t.handlers) do py.register(t.name or "", h.topic, h.fn) end end },
  { __index = function (_, k) if k == "searchpath" then return py.getpath() end end,
    __newindex = function (t, k, v)
      if k == "searchpath" then py.setpath(v) else rawset(t, k, v) end end })
task = setmetatable({
  getenv = py.task_getenv, unsetenv = py.task_unsetenv, setenv = py.task_setenv },
  { __index = function (_, k) if k == "info" then return py.task_info() end end })
print = function (...)
  local t = {}
  for i = 1, select("#", ...) do t[i] = tostring((select(i, ...))) end
  py.write("stdout", table.concat(t, "\t") .. "\n")
end
-- What C writes to the standard streams would be the broker's, not the job's.
local function stream(name)
  local function done() return true end
  return { flush = done, close = done, setvbuf = done, write = function (self, ...)
    local t = {}
    for i = 1, select("#", ...) do
      local word = select(i, ...)
      if type(word) ~= "string" and type(word) ~= "number" then
        local f, l = where()
        local text = "bad argument #" .. i .. " to 'write' (string expected, got "
        error(f .. ":" .. l .. ": " .. text .. type(word) .. ")", 0)
      end
      t[i] = tostring(word)
    end
    py.write(name, table.concat(t))
    return self
  end }
end
io.stdout, io.stderr = stream("stdout"), stream("stderr")
local output = io.stdout
io.output = function (file)
  if type(file) == "string" then output = assert(io.open(file, "w"))
  elseif file ~= nil then output = file end
  return output
end
io.write = function (...) return output:write(...) end
source = function (g) py.source(g, true) end
source_if_exists = function (g) py.source(g, false) end
"""

LOADER: Final = """
local code, name = ...
local chunk, err = loadstring(code, "@" .. name)
if not chunk then return name .. ": " .. err end
local ok, err = pcall(chunk)
if not ok then return tostring(err) end
"""

CALLER: Final = """
local fn, topic = ...
local ok, result = pcall(fn, topic)
if not ok then return tostring(result) end
"""
