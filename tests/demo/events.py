"""Shows a log of JSON events up to the end of the first pass: the time, the event, the project, the message."""
import json
import sys

for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line)
    print(f'{event["timestamp"][11:19]}  {event.get("event", ""):16}  {event.get("project", ""):20}  {event["message"]}')
    if event.get("event") == "pass.finished":
        break
