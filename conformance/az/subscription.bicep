targetScope = 'subscription'

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'az-from-above'
  location: 'westeurope'
}
