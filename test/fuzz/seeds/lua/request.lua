-- What a request goes through.
local allowed = { ["GET"] = true, ["HEAD"] = true }
local function count(text, pattern)
  local n = 0
  for word in string.gmatch(text, pattern) do n = n + #word end
  return n
end
function envoy_on_request(request_handle)
  local headers = request_handle:headers()
  local path = headers:get(":path")
  for key, value in pairs(headers) do request_handle:logDebug(key .. "=" .. value) end
  if not allowed[headers:get(":method")] then
    request_handle:respond({ [":status"] = "405", ["allow"] = "GET, HEAD" }, "no")
    return
  end
  headers:replace("x-words", tostring(count(path, "%w+")))
  local first = path:match("^/([^/]+)") or "none"
  local escaped = first:gsub("[^%w_]", function(c) return string.format("%%%02X", c:byte()) end)
  request_handle:streamInfo():dynamicMetadata():set("envoy.filters.http.lua", "first", { name = escaped })
  local answer, body = request_handle:httpCall("auth", {
    [":method"] = "POST", [":path"] = "/", [":authority"] = "auth"
  }, "x", { timeout_ms = 100 })
  if answer[":status"] ~= "200" then error("denied: " .. body) end
end
