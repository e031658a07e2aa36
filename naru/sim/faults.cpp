#include <naru/sim/faults.hpp>

#include <algorithm>

namespace naru::sim {

namespace {

constexpr std::array<std::string_view, fault_kinds> names{"short_count",
                                                          "slow",
                                                          "segment_lost",
                                                          "datagram_lost",
                                                          "reset",
                                                          "half_close",
                                                          "connect_refused",
                                                          "connect_timed_out",
                                                          "queue_full",
                                                          "no_descriptor",
                                                          "no_buffers",
                                                          "no_memory",
                                                          "pool_empty",
                                                          "early_cancel",
                                                          "late_cancel",
                                                          "reordered",
                                                          "accepted_ahead",
                                                          "closed_before_completion",
                                                          "descriptor_reused",
                                                          "partition",
                                                          "crash",
                                                          "restart",
                                                          "write_lost",
                                                          "clock_jump"};
static_assert(static_cast<std::size_t>(fault::clock_jump) + 1 == fault_kinds);

}  // namespace

std::string_view name_of(fault which) noexcept { return names[static_cast<std::size_t>(which)]; }

std::size_t fault_table::kinds() const noexcept {
    return fault_kinds - static_cast<std::size_t>(std::ranges::count(of_, std::uint64_t{0}));
}

void fault_table::add(const fault_table& others) noexcept {
    for (std::size_t each = 0; each < fault_kinds; ++each)
        of_[each] += others.of_[each];
}

fault_rates faults_of_all_kinds(std::uint64_t one_in) noexcept {
    fault_rates rates;
    for (const fault each : {fault::short_count, fault::late_cancel, fault::reordered, fault::accepted_ahead,
                             fault::closed_before_completion})
        rates.one_in[each] = 4;
    for (const fault each : {fault::slow, fault::segment_lost, fault::datagram_lost})
        rates.one_in[each] = std::max<std::uint64_t>(one_in / 4, 1);
    for (const fault each :
         {fault::connect_refused, fault::connect_timed_out, fault::queue_full, fault::no_descriptor})
        rates.one_in[each] = std::max<std::uint64_t>(one_in / 10, 1);
    for (const fault each : {fault::reset, fault::no_buffers, fault::no_memory})
        rates.one_in[each] = one_in;
    return rates;
}

}  // namespace naru::sim
