-- For wrk: posts a file to a host, and prints the results as JSON in the last line. Arguments: HOST FILE

function init(arguments)
  wrk.method = "POST"
  wrk.headers["Host"] = arguments[1]
  wrk.headers["Content-Type"] = "application/json"
  local file = assert(io.open(arguments[2], "rb"))
  wrk.body = file:read("*a")
  file:close()
end

function done(summary, latency, requests)
  local errors = summary.errors
  local wrong = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('\n{"requests": %d, "seconds": %f, "wrong": %d, "p50": %f, "p99": %f}\n', summary.requests,
    summary.duration / 1e6, wrong, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
