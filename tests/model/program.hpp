// A random program of operations: what it does is decided by its seed alone, and each step stands for itself
// (one that refers to what is not there does nothing), so that a program with steps left out is a program,
// too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace naru::testing {

enum class step_kind : std::uint8_t {
    open_pair,     // a connection over loopback, both ends in the loop
    receive,       // end a
    receive_into,  // end a, b bytes
    send,          // end a, b bytes
    send_pieces,   // end a, b bytes in up to eight pieces
    send_file,     // end a, b bytes from offset c
    readable,      // end a
    writable,      // end a
    shut_down,     // end a, if nothing is being sent
    close,         // end a, as an operation
    close_alone,   // end a, with nobody waiting
    release,       // end a, taken into the loop again
    cancel,        // one of the operations under way
    connect,       // to the listener
    accept,        // from the listener
    send_to,       // socket a, a datagram of b bytes
    receive_from,  // socket a, b bytes of memory
    open_file,     //
    read_file,     // file a, b bytes from offset c
    close_file,    // file a
    chain,         // end a: two sends of b bytes and a read of a file before them if c is odd
    work,          // on a thread, which posts
    post,          //
    arm,           // a timer in b tenths of a millisecond; cancels an operation when c is odd
    disarm,        // timer a
    inside,        // the next step is taken inside the next handler that is called
    tick,          // a ticks
    count_,
};

struct step {
    step_kind kind;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t c = 0;
};

using program = std::vector<step>;

/// The same seed, the same program.
program program_of(std::uint64_t seed, std::size_t length);

/// As C++ that can be put into a test.
std::string text_of(const program& steps);

}  // namespace naru::testing
