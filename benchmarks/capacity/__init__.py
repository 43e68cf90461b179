"""`make capacity`: what the country needs, from what events and requests were measured to cost."""
