"""What other services' events change here: nothing.

Membership is where the programme's facts about schools and people begin; it decides by itself and
waits for nobody. So it subscribes to no topic, and a loss of Kafka never stops it.
"""

from shared.messaging import Effects

effects = Effects()
