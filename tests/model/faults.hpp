// Faults of the real kernel, made up: system calls of the program under test answer now and then what a
// kernel may answer on a bad day. Linux, by the linker's --wrap (CMakeLists.txt); io_uring by what stands in
// its submission queue just before the kernel looks at it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace naru::testing::faults {

enum class kind : std::uint8_t {
    interrupted,     // EINTR
    not_ready,       // EAGAIN, though there was a report; another report follows
    short_count,     // fewer bytes than there are; another report follows
    no_memory,       // ENOMEM
    no_buffers,      // ENOBUFS
    no_descriptors,  // EMFILE
    aborted,         // ECONNABORTED: the connection was gone before it was accepted
    count_,
};

/// Whether this build can make calls fail.
bool possible();

/// From here on each call that can fails so with a chance of `percent`, until `calm`. Faults that operations
/// report
/// (`visible`) or only those that nobody above the backend may notice. On this thread's calls only.
void begin(std::uint64_t seed, unsigned percent, bool visible);
void calm();

/// What can come to pass on a backend: with io_uring the kernel waits by itself until a socket is ready, and
/// a thread of its own (SQPOLL) takes entries before they can be spoiled.
std::vector<kind> possible_on(bool uring, bool sqpoll);

/// How often each has really happened since the program began.
std::array<std::uint64_t, static_cast<std::size_t>(kind::count_)> happened();
std::string name_of(kind each);

/// No faults while it lives: for the calls of the test itself.
class pause {
 public:
    pause();
    ~pause();
    pause(const pause&) = delete;
    pause& operator=(const pause&) = delete;

 private:
    bool before_;
};

}  // namespace naru::testing::faults
