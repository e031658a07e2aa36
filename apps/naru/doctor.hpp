// What naru doctor reports, and its part that is different on each platform.
#pragma once

#include <string>
#include <vector>

namespace naru::program {

struct finding {
    std::string name;
    bool good = true;
    std::string value;
    std::string advice;  // what to change, if anything
};

struct section {
    std::string key;
    std::string title;
    std::vector<finding> findings;
};

/// What there is to say of this system besides its engines: features and limits.
std::vector<section> examine_system();

}  // namespace naru::program
