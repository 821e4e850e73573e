-- Sends the requests of a file, one a line: method, path and body between tabs. Each is sent once before any is sent
-- again. Arguments: the file, and how many lines to leave out first. Prints one line of numbers at the end.
local lines, at = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local method, path, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = {}
    if body ~= "" then headers["Content-Type"] = "application/json" end
    lines[#lines + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
  at = tonumber(args[2])
end

function request()
  at = at + 1
  return lines[(at - 1) % #lines + 1]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("measured %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
