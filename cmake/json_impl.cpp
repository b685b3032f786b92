// The compiled half of Boost.JSON, used without its library.
#include <boost/json/src.hpp>
