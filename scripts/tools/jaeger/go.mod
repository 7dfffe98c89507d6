module ferry/tools/jaeger

go 1.26

replace github.com/Shopify/sarama => github.com/Shopify/sarama v1.33.0
