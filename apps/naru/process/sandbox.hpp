// What a process that serves may do: what serving needs, and no more.
#pragma once

#include "../doctor.hpp"

#include <optional>
#include <string>
#include <vector>

namespace naru::program {

struct sandbox_rules {
    std::optional<std::string> user;    ///< who the process becomes, with that user's groups
    std::vector<std::string> readable;  ///< files, and directories with all below them
    bool confines_files = true;         ///< by Landlock
};

/// In the first thread, before there is another one or a ring: gives up the user it was (setuid(2)), new
/// privileges (PR_SET_NO_NEW_PRIVS), every file but those that are readable, TCP ports to bind or to connect
/// to, and signals to others (Landlock). Returns a sentence for each that the kernel does not have. Throws
/// std::runtime_error if the process cannot become the user.
std::vector<std::string> enter_sandbox(const sandbox_rules& rules);

/// For all threads, before anybody from outside is listened to, once the rings are made: system calls that
/// serving does not need fail from here on, among them those that make sockets, connect, execute, and make
/// rings (EPERM; ENOSYS for those that are not known here). Nothing is ever killed for one. Returns a
/// sentence for each that cannot be had.
std::vector<std::string> confine_calls();

/// For naru doctor.
section examine_sandbox();

}  // namespace naru::program
