targetScope = 'managementGroup'

resource policy 'Microsoft.Authorization/policyDefinitions@2023-04-01' = {
  name: 'az-policy'
  properties: {
    displayName: managementGroup().name
  }
}

module below 'subscription.bicep' = {
  scope: subscription('ce1e5717-e000-4000-8000-000000000001')
}

output name string = policy.properties.displayName
