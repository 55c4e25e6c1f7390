-- Asks once for a start. spec.request stands beside spec.state, so that git and the action do not fight.
obj.spec.request = {transition = "Start", at = os.date("!%Y-%m-%dT%H:%M:%SZ")}
return obj
