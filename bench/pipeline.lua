-- wrk -cN -s pipeline.lua URL [-- N [DEPTH]]: DEPTH (16 if left out) pipelined GETs in every write, reported
-- as in report.lua. wrk writes the next burst when the last answer to the one before has arrived; its
-- latencies are those of whole bursts.

dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "") .. "report.lua")

local burst

function init(arguments)
   connections = tonumber(arguments[1]) or 0
   depth = tonumber(arguments[2]) or 16
   burst = string.rep(wrk.format(), depth)
end

function request()
   return burst
end
