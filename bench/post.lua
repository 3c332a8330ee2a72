-- post - what wrk sends: the requests of a file one after the other, none twice.
--
-- In: $BENCH_EVENTS, a file of requests that are $BENCH_SIZE bytes each (bench-events writes it).
-- $BENCH_AGAIN=1 starts over at its end; otherwise the run is told to be too long for the file.
-- Out: one JSON line. $BENCH_STATUSES=1 counts statuses by code, which costs the client as much as
-- all else does; without it only those of 400 and above are known.

local size = tonumber(os.getenv("BENCH_SIZE"))
local again = os.getenv("BENCH_AGAIN") == "1"
local threads = {}

sent, missing, statuses = 0, 0, {}

function setup(thread)
  table.insert(threads, thread)
end

function init(_)
  file = assert(io.open(os.getenv("BENCH_EVENTS"), "rb"))
  file:setvbuf("full", 1048576)
end

function request()
  local text = file:read(size)
  if not text then
    if again then
      file:seek("set")
    else
      missing = missing + 1
      return "GET /webhooks/email HTTP/1.1\r\nHost: hooks.example.com\r\n\r\n"
    end
    text = file:read(size)
  end
  sent = sent + 1
  return text
end

if os.getenv("BENCH_STATUSES") == "1" then
  function response(status)
    statuses[status] = (statuses[status] or 0) + 1
  end
end

function done(summary, latency)
  local codes = {}
  for code, count in pairs(threads[1]:get("statuses")) do
    table.insert(codes, string.format('"%d": %d', code, count))
  end
  local e = summary.errors
  print(string.format('{"sent": %d, "missing": %d, "answers": %d, "seconds": %.6f, "bad": %d,'
    .. ' "broken": %d, "late": %d, "p99_ms": %.3f, "statuses": {%s}}',
    threads[1]:get("sent"), threads[1]:get("missing"), summary.requests, summary.duration / 1e6,
    e.status, e.connect + e.read + e.write, e.timeout, latency:percentile(99) / 1e3,
    table.concat(codes, ", ")))
end
