// naru doctor on Windows.
#include "doctor.hpp"

namespace naru::program {

std::vector<section> examine_system() {
    section limits{"limits", "Limits", {}};
    finding handles;
    handles.name = "descriptors";
    handles.value = "16,777,216 handles a process, bounded by memory before that";
    limits.findings.push_back(handles);
    finding select_limit;
    select_limit.name = "select";
    select_limit.value = "16,384 sockets at once";
    limits.findings.push_back(select_limit);
    return {limits};
}

}  // namespace naru::program
