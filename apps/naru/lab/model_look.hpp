// How a model looks, everywhere in the report: a colour, a dash and a marker each, so that lines can be told
// apart on paper and by readers who do not see all colours.
#pragma once

#include <string>
#include <string_view>

namespace naru::lab {

struct model_look {
    std::string_view css;     ///< class of the style sheet that sets the colour
    std::string_view dash;    ///< for stroke-dasharray; empty: a solid line
    std::string_view marker;  ///< path data around 0,0
};

/// By the model's name, or that of an external server; what nobody has heard of is grey, with a marker of its
/// own.
model_look look_of(std::string_view model);

/// A short piece of the model's line with its marker, as a decorative SVG.
std::string swatch(std::string_view model);

}  // namespace naru::lab
