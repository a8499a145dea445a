"""The engine on Durable Task: an orchestration per operation, in the Scheduler of Azure or an emulator here.

`orchestration` is the part that reads like the original, and it is shared with the function app in
``deploy/azure-functions``; `engine` is the port, `hub` the connection, `worker` runs orchestrations,
`telling` their notifications; `emulator` stands in for the Scheduler on one machine.
"""
