-- For wrk: sends the requests in a file, one after the other, from a given one on; says at the end what came of it.
--   wrk -s requests.lua URL -- FILE FIRST
-- The file has for each request a line with its number of bytes, and the request.

local requests, place = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local size = file:read("*n", "*l")
    if not size then break end
    requests[#requests + 1] = file:read(size)
  end
  file:close()
  place = tonumber(arguments[2] or "0") % #requests
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "failed": %d, "refused": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
