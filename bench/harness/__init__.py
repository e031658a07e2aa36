"""The parts of run_bench.py: processes, servers, clients, scenarios, report."""
