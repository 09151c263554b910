targetScope = 'tenant'

resource made 'Microsoft.Management/managementGroups@2023-04-01' = {
  name: 'az-made'
  properties: {
    displayName: 'Made by a template'
  }
}

module inside 'inside.bicep' = {
  scope: made
}

output name string = inside.outputs.name
