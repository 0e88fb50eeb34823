/*-------------------------------------------------------------------------
 *
 * main.cpp
 *	  Runs the unit tests, and ends with one line "N passed, N failed".
 *
 * Tests that need a server read MONGO_HOSTS (and MONGO_AUTH_HOSTS,
 * MONGO_AUTH_USER, MONGO_AUTH_PASSWORD), as printed by test/servers/mongo.sh;
 * those that need TLS run under test/fault/mongo_tls_proxy.py.
 *
 *-------------------------------------------------------------------------
 */
#include <gtest/gtest.h>

#include <cstdio>

int main(int argc, char **argv)
{
	testing::InitGoogleTest(&argc, argv);
	int const status = RUN_ALL_TESTS();
	const testing::UnitTest &tests = *testing::UnitTest::GetInstance();
	if (tests.skipped_test_count() > 0)
		printf("%d skipped\n", tests.skipped_test_count());
	printf("%d passed, %d failed\n", tests.successful_test_count(), tests.failed_test_count());
	return status;
}
