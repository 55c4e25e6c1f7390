-- What may be asked of a workspace: a start where it does not run, a stop or a restart where it does.
local phase = (obj.status or {}).phase
local running = phase == "Running" or phase == "Starting" or phase == "Pending"
return {
  ["start"] = {["disabled"] = running or phase == "Deleting"},
  ["stop"] = {["disabled"] = not running},
  ["restart"] = {["disabled"] = phase ~= "Running"},
}
