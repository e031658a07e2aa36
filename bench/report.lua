-- wrk -cN -s report.lua URL -- N: after wrk's own report, one line of JSON with exact numbers. It defines
-- nothing that wrk calls for each request or response, so that the load is the same as without a script.
--
-- Latencies: wrk "corrects" them for coordinated omission, by adding samples it has not measured, spaced by
-- the mean time between the requests of a connection. A closed loop has no schedule that a request could miss,
-- and with pipelining that time is wrong, too (it counts requests, the samples are bursts). Given the number
-- of connections, this script takes the added samples out again: percentiles are those of what was measured.
--
-- "status" counts answers of 400 and above only: run_bench.py looks at the answer itself before it measures.

local thread_of_setup

function setup(thread)
   thread_of_setup = thread
end

function init(arguments)
   connections = tonumber(arguments[1]) or 0
   depth = 1
end

-- The measured samples as a list of {latency, count}, highest latency first.
local function samples(latency)
   local list = {}
   for i = #latency, 1, -1 do
      local value, count = latency(i)
      list[#list + 1] = {value, count}
   end
   return list
end

-- The inverse of wrk's stats_correct(): nothing is added to a latency but by higher ones, so that from the
-- highest on down every count is a measured one once the additions of those above it are taken off.
local function remove_added(list, interval)
   local by_value = {}
   for _, sample in ipairs(list) do by_value[sample[1]] = sample end
   for _, sample in ipairs(list) do
      local value, count = sample[1], sample[2]
      if value < 2 * interval then break end
      local below = value - interval
      while count > 0 and below > interval do
         local other = by_value[below]
         if other then other[2] = other[2] - count end
         below = below - interval
      end
   end
end

local function total_of(list)
   local total = 0
   for _, sample in ipairs(list) do total = total + sample[2] end
   return total
end

local function percentile(list, percent)
   local above = math.floor(total_of(list) * (100 - percent) / 100)
   for _, sample in ipairs(list) do
      above = above - sample[2]
      if above < 0 then return sample[1] end
   end
   return 0
end

function done(summary, latency, requests)
   local of_connections = thread_of_setup:get("connections")
   local bursts = summary.requests / thread_of_setup:get("depth")
   local list = samples(latency)
   if of_connections > 0 and summary.requests >= of_connections and total_of(list) > bursts then
      remove_added(list, math.floor(summary.duration / math.floor(summary.requests / of_connections)))
   end
   local errors = summary.errors
   io.write(string.format(
      '{"seconds": %.6f, "requests": %d, "bytes": %.0f, "samples": %d, "p50_us": %d, "p99_us": %d, ' ..
      '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\n',
      summary.duration / 1e6, summary.requests, summary.bytes, total_of(list),
      percentile(list, 50), percentile(list, 99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
