"""The engine on Durable Task: an orchestration per operation, in Azure's Scheduler or a local backend.

`orchestration` is the part that reads like the original, and is shared with the function app in
``deploy/azure-functions``; `engine` is the port, `client` the connection, `worker` runs orchestrations,
`activity` makes attempts at notifications, `sdk` is what is made of the SDK's classes; `dev_backend` stands
in for the Scheduler on one machine.
"""
