-- The health of every kind of Berth's, from the conditions that kubectl, Flux and Helm read too. It agrees with kstatus,
-- but that an object which Berth has not looked at yet is never healthy. A workspace that is stopped as wished is healthy.
local function condition(kind)
  for _, c in ipairs((obj.status or {}).conditions or {}) do
    if c.type == kind then
      return c
    end
  end
  return {}
end

local function is(status, c, otherwise)
  local message = c.message
  if message == nil or message == "" then
    message = c.reason or otherwise
  end
  return {status = status, message = message}
end

if obj.metadata.deletionTimestamp ~= nil then
  return is("Progressing", condition("Ready"), "being deleted")
end
local status = obj.status or {}
local seen = status.observedGeneration
if seen ~= nil and obj.metadata.generation ~= nil and seen ~= obj.metadata.generation then
  return {status = "Progressing", message = "Berth has not looked at this generation yet"}
end
local ready, stalled, reconciling = condition("Ready"), condition("Stalled"), condition("Reconciling")
if stalled.status == "True" then
  return is("Degraded", stalled, "stalled")
end
if reconciling.status == "True" or ready.status ~= "True" then
  return is("Progressing", ready, "Berth has not looked at this object yet")
end
local policy = condition("PolicyMet")
if policy.status == "False" then
  return is("Healthy", policy, "ready")
end
return is("Healthy", ready, "ready")
