-- A rollout that is paused can be resumed, any other paused.
local paused = (obj.spec.rollout or {}).paused == true
return {
  ["pause"] = {["disabled"] = paused},
  ["resume"] = {["disabled"] = not paused},
}
