-- Webhooks for wrk: three regions per id, one after the other; ids never repeat, thanks to the salt after "--".
local salt, sent = "0", 0
local regions = {"northeurope", "westeurope", "eastus"}
local headers = {["Content-Type"] = "application/json", ["User-Agent"] = "AzureContainerRegistry/1.0"}
local body = '{"id":"%s-%012x","timestamp":"2026-03-04T05:06:07.0958813Z","action":"push","target":{'
  .. '"mediaType":"application/vnd.oci.image.index.v1+json","size":856,'
  .. '"digest":"sha256:1111111111111111111111111111111111111111111111111111111111111111",'
  .. '"length":856,"repository":"team/app","tag":"1.4.2"},'
  .. '"request":{"id":"9f0d6c55-7a53-4f0e-8f4e-aa55bb66cc77","host":"demo.azurecr.io","method":"PUT"}}'

function init(args)
  salt = args[1]
end

function request()
  local id, region = math.floor(sent / 3), regions[sent % 3 + 1]
  sent = sent + 1
  return wrk.format("POST", "/api/ImagePush?region=" .. region, headers, string.format(body, salt, id))
end
