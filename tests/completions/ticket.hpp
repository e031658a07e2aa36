// What the judge knows of an operation that is under way.
#pragma once

#include <naru/loop/operation.hpp>
#include <naru/loop/received_ahead.hpp>

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace naru::testing {

struct side;
class judge;

struct ticket {
    ticket() = default;
    ticket(const ticket&) = delete;
    ticket& operator=(const ticket&) = delete;
    virtual ~ticket() = default;
    virtual operation& op() noexcept = 0;

    judge* by = nullptr;
    side* on = nullptr;
    std::uint64_t serial = 0;
    bool asked = false;    ///< to end
    bool chained = false;  ///< a member of a chain: its turn is that of the chain
    std::vector<std::byte> memory;
    std::vector<slice> outgoing;
    std::vector<mutable_slice> incoming;
    std::uint64_t total = 0;    ///< bytes to be sent
    std::uint64_t taken = 0;    ///< of them, by the kernel
    std::uint64_t in_file = 0;  ///< offset
    received_ahead brought;
    std::set<int> given;       ///< outcomes that the kernel has given for it itself
    bool given_bytes = false;  ///< one of them was bytes that it has read
};

/// An operation with its ticket. Its memory goes when its handler is called.
template <class Operation>
struct ticketed final : ticket, Operation {
    template <class... Kind>
    explicit ticketed(Kind... kind) noexcept
        : Operation(kind..., [](operation& op) noexcept {
              auto& self = static_cast<ticketed&>(static_cast<Operation&>(op));
              ticketed::end(self);
          }) {}
    operation& op() noexcept override { return *this; }

 private:
    static void end(ticket& self) noexcept;
};

}  // namespace naru::testing
