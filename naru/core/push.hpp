// Out of memory is one policy everywhere: what can be refused is refused with ENOMEM, and the process goes
// on; where nobody is there to be refused, it ends with a sentence. This is for the second.
#pragma once

#include <naru/core/check.hpp>

#include <new>
#include <vector>

namespace naru {

/// For a list without which the loop cannot go on, in a function that cannot fail.
template <class Element>
void push_or_end(std::vector<Element>& list, const Element& element) noexcept {
    try {
        list.push_back(element);
    } catch (const std::bad_alloc&) {
        fatal("out of memory: a loop cannot keep track of what it owes");
    }
}

}  // namespace naru
