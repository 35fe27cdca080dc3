local a = 1;;
local f = function(x) return x end
f
(a)
h:headrs():get("x")
for chunk in h:bodyChunks() do chunk:length() end
local s = [==[
a long ]] text]==] .. "\x41\z
   \065" .. ("x"):rep(10, ",") --[[ a comment ]] .. s:find("(%a+)%s*=%s*(%b())%f[%W]") .. io.open("/etc/passwd")
while true do pcall(function() error({}) end) end
