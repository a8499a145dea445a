// The aggregator on Azure Container Apps, with one webhook for each replication of the registry.
//
//   docker build -f deploy/Dockerfile --build-arg EXTRAS=azure,durable-task -t REGISTRY.azurecr.io/fanin:0.1.0 .
//   az acr login --name REGISTRY && docker push REGISTRY.azurecr.io/fanin:0.1.0
//   az deployment group create --resource-group GROUP --template-file deploy/container-apps.bicep \
//     --parameters registryName=REGISTRY regions='["northeurope","westeurope","eastus"]' \
//       key="$(openssl rand -hex 24)" notifyUrl=https://example.org/images
//
// Container Apps have no disk that outlives a replica, only network file shares, which SQLite must not be put on.
// So operations are kept in a task hub of the Durable Task Scheduler, and any number of replicas may run.

@description('The registry whose webhooks fan in, in the same resource group. Premium, with replications.')
param registryName string

@description('The regions to wait for: the home region and every replication.')
@minLength(1)
param regions array

@description('How long to wait for all of them.')
param timeout string = '2h'

@description('The function key. It is written into the webhooks, and required of everything else, too.')
@secure()
@minLength(16)
param key string

@description('Where outcomes are POSTed.')
@secure()
param notifyUrl string

@description('The image, in the registry.')
param image string = 'fanin:0.1.0'

param location string = resourceGroup().location
param name string = 'fanin'

@allowed(['Consumption', 'Dedicated'])
param schedulerSku string = 'Consumption'

// Built-in roles: AcrPull, and Durable Task Data Contributor.
var acrPull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'
var durableTaskDataContributor = '0ad04412-c4d5-4796-b79c-f76d14c8d402'

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registryName
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, identity.id, acrPull)
  scope: registry
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPull)
  }
}

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' = {
  name: name
  location: location
  properties: {
    sku: {
      name: schedulerSku
    }
    // An empty list would let nothing in. Every call needs a token; narrow it where the addresses are known.
    ipAllowlist: ['0.0.0.0/0']
  }
}

// For fanin alone: finished orchestrations in it are purged.
resource taskHub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' = {
  parent: scheduler
  name: 'fanin'
  properties: {}
}

resource work 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(taskHub.id, identity.id, durableTaskDataContributor)
  scope: taskHub
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', durableTaskDataContributor)
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: name
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
  }
}

resource environment 'Microsoft.App/managedEnvironments@2024-03-01' = {
  name: name
  location: location
  properties: {
    appLogsConfiguration: {
      destination: 'log-analytics'
      logAnalyticsConfiguration: {
        customerId: logs.properties.customerId
        sharedKey: logs.listKeys().primarySharedKey
      }
    }
  }
}

resource app 'Microsoft.App/containerApps@2024-03-01' = {
  name: name
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    environmentId: environment.id
    configuration: {
      ingress: {
        external: true
        targetPort: 8080
        allowInsecure: false
      }
      registries: [
        {
          server: registry.properties.loginServer
          identity: identity.id
        }
      ]
      secrets: [
        {
          name: 'keys'
          value: key
        }
        {
          name: 'notify-url'
          value: notifyUrl
        }
      ]
    }
    template: {
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'fanin'
          image: '${registry.properties.loginServer}/${image}'
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          env: [
            {
              name: 'FANIN_ENGINE'
              value: 'durable-task'
            }
            {
              name: 'FANIN_DURABLE_TASK_ADDRESS'
              value: scheduler.properties.endpoint
            }
            {
              name: 'FANIN_DURABLE_TASK_TASK_HUB'
              value: taskHub.name
            }
            {
              name: 'FANIN_DURABLE_TASK_CREDENTIAL'
              value: 'managed-identity:${identity.properties.clientId}'
            }
            {
              name: 'FANIN_REGIONS'
              value: join(regions, ',')
            }
            {
              name: 'FANIN_TIMEOUT'
              value: timeout
            }
            {
              name: 'FANIN_KEYS_FILE'
              value: '/etc/fanin/keys'
            }
            {
              name: 'FANIN_NOTIFY_URL_FILE'
              value: '/etc/fanin/notify-url'
            }
            {
              name: 'FANIN_PUBLIC_URL'
              value: 'https://${name}.${environment.properties.defaultDomain}'
            }
          ]
          volumeMounts: [
            {
              volumeName: 'secrets'
              mountPath: '/etc/fanin'
            }
          ]
          probes: [
            {
              type: 'Liveness'
              httpGet: {
                path: '/healthz'
                port: 8080
              }
              initialDelaySeconds: 5
            }
            {
              type: 'Readiness'
              httpGet: {
                path: '/readyz'
                port: 8080
              }
              timeoutSeconds: 9
            }
          ]
        }
      ]
      volumes: [
        {
          name: 'secrets'
          storageType: 'Secret'
          secrets: [
            {
              secretRef: 'keys'
              path: 'keys'
            }
            {
              secretRef: 'notify-url'
              path: 'notify-url'
            }
          ]
        }
      ]
      scale: {
        minReplicas: 2
        maxReplicas: 4
      }
    }
  }
  dependsOn: [pull, work]
}

// The webhook of a replication is created in the replication's region, and its URL says which that is.
resource webhooks 'Microsoft.ContainerRegistry/registries/webhooks@2023-07-01' = [for region in regions: {
  parent: registry
  name: 'fanin${toLower(replace(region, ' ', ''))}'
  location: region
  properties: {
    serviceUri: 'https://${app.properties.configuration.ingress.fqdn}/api/ImagePush?region=${toLower(replace(region, ' ', ''))}'
    customHeaders: {
      'x-functions-key': key
    }
    actions: ['push', 'delete', 'chart_push', 'chart_delete', 'quarantine']
    status: 'enabled'
    scope: ''
  }
}]

output url string = 'https://${app.properties.configuration.ingress.fqdn}/'
