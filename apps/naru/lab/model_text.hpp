// What the report says about each model: what the kernel does, and what the program pays.
#pragma once

#include <span>
#include <string_view>

namespace naru::lab {

struct model_text {
    std::string_view model;    ///< its name in charts and tables
    std::string_view heading;  ///< "select": the calls that it is made of are in `calls`
    std::string_view calls;
    std::string_view kernel;       ///< what the kernel does
    std::string_view per_wait;     ///< what one wait costs, and what it depends on
    std::string_view per_event;    ///< what each report costs
    std::string_view per_request;  ///< the calls that a request takes
    std::string_view limit;        ///< where it ends
    std::string_view drawing;      ///< name of the asset
    std::string_view drawn;        ///< the drawing in words
};

/// All models, from the oldest to the newest.
std::span<const model_text> all_model_texts();

}  // namespace naru::lab
