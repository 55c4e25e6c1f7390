-- Lets the rollout go on. The field is taken out, not set to false, so that git, which does not have it, sees no difference.
if obj.spec.rollout ~= nil then
  obj.spec.rollout.paused = nil
end
return obj
