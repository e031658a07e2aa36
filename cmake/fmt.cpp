// The functions of {fmt}, compiled once, into the component http. As headers only they are compiled again in
// every file that formats anything (GCC: 3 of 5 s for a typical one); Debian's own library is a shared one,
// and naru is one file that can be copied.
#include <fmt/format-inl.h>

namespace detail = fmt::detail;
template detail::dragonbox::decimal_fp<float> detail::dragonbox::to_decimal(float) noexcept;
template detail::dragonbox::decimal_fp<double> detail::dragonbox::to_decimal(double) noexcept;
template detail::thousands_sep_result<char> detail::thousands_sep_impl(detail::locale_ref);
template char detail::decimal_point_impl(detail::locale_ref);
template detail::locale_ref::locale_ref(const std::locale&);
template std::locale detail::locale_ref::get<std::locale>() const;
