// A report with made-up figures of the size that a small machine gives: every kind of chart, table and
// verdict that the lab has.
#pragma once

#include <lab/page.hpp>

namespace naru::lab {

/// `under_way`: as it looks in the middle of the run.
page sample_page(bool under_way);

}  // namespace naru::lab
