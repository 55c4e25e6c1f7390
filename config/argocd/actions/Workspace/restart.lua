-- Asks once for a restart. spec.request stands beside spec.state, so that git and the action do not fight.
obj.spec.request = {transition = "Restart", at = os.date("!%Y-%m-%dT%H:%M:%SZ")}
return obj
