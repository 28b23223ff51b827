#pragma once

/// The one place that includes Catch2: version 2 on Debian 12, version 3 on newer releases.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
