-- Asks once for a stop. spec.request stands beside spec.state, so that git and the action do not fight.
obj.spec.request = {transition = "Stop", at = os.date("!%Y-%m-%dT%H:%M:%SZ")}
return obj
