#include "test/catch.h"
