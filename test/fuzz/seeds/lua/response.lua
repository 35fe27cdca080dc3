function envoy_on_response(response_handle)
  local last
  for chunk in response_handle:bodyChunks() do
    chunk:setBytes(chunk:getBytes(0, chunk:length()):upper())
    last = chunk
  end
  last:setBytes(("<b>%s</b>"):format(last:length()))
  local ssl = response_handle:connection():ssl()
  if ssl and ssl:peerCertificatePresented() then
    response_handle:headers():add("x-name", table.concat(ssl:parsedSubjectPeerCertificate():organizationName(), ","))
  end
  local t = setmetatable({ 3, 1, 2 }, { __index = function(_, key) return key end, __tostring = tostring })
  table.sort(t, function(a, b) return a > b end)
  table.insert(t, 1, 7)
  local ok, why = xpcall(function(...) return select("#", ...) end, function(e) return e end, 1, nil, 3)
  response_handle:logInfo(tostring(ok) .. tostring(why) .. os.date("!%H:%M", os.time()))
  for i = #t, 1, -1 do if t[i] == 1 then goto continue end t[i] = nil ::continue:: end
  local co = coroutine.wrap(function(a) local b = coroutine.yield(a) return b end)
  co(1) co(2)
end
